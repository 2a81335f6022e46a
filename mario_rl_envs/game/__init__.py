"""What Super Mario Bros is: its memory, buttons, stages, rewards and ROM."""
