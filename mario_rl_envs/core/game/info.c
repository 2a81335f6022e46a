/* The info, read from the RAM: see info.h. */
#include "game/info.h"

void info_read(const uint8_t *ram, Info *info) {
#define FIELD(name, value) .name = value,
    *info = (Info){INFO_KEYS(FIELD, FIELD, FIELD)};
#undef FIELD
}

void info_write(const Info *info, int64_t *columns, uint8_t *flags, size_t count, size_t index) {
#define WRITE_COLUMN(name, value) columns[COLUMN_##name * count + index] = (int64_t)info->name;
#define WRITE_FLAG(name, value) flags[FLAG_##name * count + index] = info->name;
    INFO_KEYS(WRITE_COLUMN, WRITE_FLAG, WRITE_COLUMN)
#undef WRITE_COLUMN
#undef WRITE_FLAG
}
