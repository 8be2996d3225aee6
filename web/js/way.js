// A galaxy's way through the decision tree, with bars of the answers; other questions are folded below.

import { make, shown } from "./parts.js";
import { percent } from "./results.js";
import { answersOf, answerWords, askedWords, HARDLY_ASKED, mostVoted, wayThrough, wordsOf } from "./votes.js";

/** Fills an element with the votes of a prediction. */
export function showWay(box, votes) {
  const { way, others } = wayThrough(votes);
  const parts = [make("p", "asked", "What volunteers would say, in percent of those asked; the answer with most votes leads on.")];
  if (way.length) parts.push(make("ol", "questions", ...way.map((name) => question(name, votes[name]))));
  if (others.length) parts.push(folded(others.map((name) => question(name, votes[name])), way.length));
  box.replaceChildren(...parts);
}

function folded(questions, onTheWay) {
  const words = `${questions.length} ${onTheWay ? "other " : ""}${questions.length === 1 ? "question" : "questions"}`;
  return make("details", "others", make("summary", "", words), make("ul", "questions", ...questions));
}

function question(name, votes) {
  const most = mostVoted(name, votes);
  const bars = answersOf(name, votes).map(([answer, fraction]) => {
    const row = make("div", answer === most ? "best" : "", make("dt", "", shown(answerWords(name, answer))), make("dd", "", percent(fraction)));
    row.style.setProperty("--share", fraction);
    return row;
  });
  const entry = make("li", "", make("p", "asks", shown(wordsOf(name))), make("p", "asked", askedWords(votes.asked)), make("dl", "bars", ...bars));
  entry.toggleAttribute("data-faint", votes.asked < HARDLY_ASKED);
  return entry;
}
