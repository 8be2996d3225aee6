// Choosing and sorting galaxies by an answer of the decision tree: "bar: yes, 50 % or more".

import { make, part, say, shown } from "./parts.js";
import { answersOf, answerWords, inTreeOrder, shortName, wordsOf } from "./votes.js";

// A fraction is of those who are asked. Where fewer than half of all volunteers would be, it says little of the galaxy: of a smooth
// one hardly anybody is asked about a bar, and nine tenths of these make it no barred one. Galaxy Zoo 2 has thresholds on the answers
// before for the same reason (Willett et al. 2013, table 3).
const ASKED_AT_LEAST = 50;
const USUAL = 50; // percent that are asked for, once an answer is chosen

export class AnswerFilter {
  constructor() {
    this.reset();
  }

  reset() {
    this.answers = new Map(); // of all questions that there are votes on: the names of their answers
    this.seen = new WeakSet();
    this.answer = null;
    this.least = USUAL;
    part("answer").replaceChildren(new Option("any", ""));
    this.write();
  }

  /** Back to no choice; what can be chosen stays. */
  clear() {
    this.answer = null;
    this.least = USUAL;
    this.write();
  }

  write() {
    part("answer").value = this.answer ? JSON.stringify(this.answer) : "";
    part("votes-least").value = this.least;
    this.tell();
  }

  read() {
    this.answer = part("answer").value ? JSON.parse(part("answer").value) : null;
    this.least = Number(part("votes-least").value);
    this.tell();
  }

  tell() {
    for (const id of ["votes-tool", "sort-answer"]) part(id).hidden = !this.answers.size;
    for (const id of ["votes-least", "votes-about"]) part(id).hidden = !this.answer;
    part("sort-answer").disabled = !this.answer;
    say(part("votes-said"), this.answer ? `${this.least}\u00a0% or more` : "");
  }

  /** The fraction that gives the chosen answer; null where there is none, or too few would be asked. */
  fractionOf({ result }) {
    const votes = this.answer && result?.prediction?.votes?.[this.answer[0]];
    const fraction = votes?.asked >= ASKED_AT_LEAST ? votes.fractions[this.answer[1]] : null;
    return Number.isFinite(fraction) ? fraction : null;
  }

  holds(item) {
    if (!this.answer) return true;
    const fraction = this.fractionOf(item);
    return fraction !== null && fraction * 100 >= this.least;
  }

  /** Let people choose among the answers that the items have votes on. */
  offer(items) {
    if (!items.length && this.answers.size) this.reset();
    let more = false;
    for (const { result } of items) {
      const votes = result?.prediction?.votes;
      if (!votes || this.seen.has(votes)) continue;
      this.seen.add(votes);
      for (const [question, given] of Object.entries(votes)) {
        const before = this.answers.get(question) ?? [];
        const answers = [...new Set([...before, ...answersOf(question, given).map(([answer]) => answer)])];
        this.answers.set(question, answers);
        more ||= answers.length > before.length;
      }
    }
    if (more) this.fill();
  }

  fill() {
    const groups = inTreeOrder([...this.answers.keys()]).map((question) => {
      const group = make("optgroup", "", ...this.answers.get(question).map((answer) => option(question, answer)));
      group.label = shown(wordsOf(question));
      return group;
    });
    part("answer").replaceChildren(new Option("any", ""), ...groups);
    this.write();
  }
}

const option = (question, answer) =>
  new Option(shown(`${shortName(question)}: ${answerWords(question, answer)}`), JSON.stringify([question, answer]));
