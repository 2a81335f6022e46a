// How a result of the search ranks. The numbers are those of Sphinx; its ties are in the order of
// titles, which leaves the guides behind pages that have a word in passing: 32 stages with the same
// table, the log of all changes.
const GUIDES = /^(index|environments|wrappers|vector|libraries|faq)$/;
const IN_PASSING = /^(stages\/.*|changelog|claims|roadmap)$/;

var Scorer = {
  score: ([page, , , , score, , kind]) => {
    if (kind === "title") score += 5; // a heading that is the query, or nearly so
    if (GUIDES.test(page)) score += 1;
    return IN_PASSING.test(page) ? score - 10 : score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
