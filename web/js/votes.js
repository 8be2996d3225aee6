// Votes: what the model says that Galaxy Zoo's volunteers would answer, question by question (docs/results.md), in words and numbers.

import { spaced } from "./classes.js";
import { TREE } from "./tree.js";

/** Of 100 volunteers, fewer than this are hardly anybody: what so few would say means little. */
export const HARDLY_ASKED = 20;

const ORDER = Object.keys(TREE);
const known = (question) => (Object.hasOwn(TREE, question) ? TREE[question] : null);

/** The votes of a prediction, by question; null where the model tells none. */
export const votesOf = (prediction) => (Object.keys(prediction?.votes ?? {}).length ? prediction.votes : null);

/** The question in words, or its name. */
export const wordsOf = (question) => known(question)?.words ?? spaced(question);

/** An answer in words, or its name. */
export function answerWords(question, answer) {
  const answers = known(question)?.answers ?? {};
  return Object.hasOwn(answers, answer) ? answers[answer][0] : spaced(answer);
}

/** A question by its name in a few words: "spiral arm count". */
export const shortName = (question) => spaced(question).replaceAll("-", " ");

/** [answer, fraction] of each answer of one question's votes, in the order of the tree. */
export function answersOf(question, { fractions }) {
  const order = Object.keys(known(question)?.answers ?? {});
  return Object.entries(fractions).sort(([one], [other]) => order.indexOf(one) - order.indexOf(other));
}

/** The answer that most give. */
export function mostVoted(question, votes) {
  return answersOf(question, votes).reduce((best, each) => (each[1] > best[1] ? each : best), ["", -1])[0];
}

/**
 * Questions in the order of the galaxy's way, where each question's most-voted answer leads to the next, and all others in the
 * order of the tree: {way, others}. As cosmoformer/votes/way.py has it.
 */
export function wayThrough(votes) {
  const way = [];
  for (let name = ORDER[0]; name && Object.hasOwn(votes, name); name = TREE[name].answers[mostVoted(name, votes[name])]?.[1]) way.push(name);
  return { way, others: inTreeOrder(Object.keys(votes).filter((name) => !way.includes(name))) };
}

/** Names of questions in the order of the tree; names it does not know come last, in their own order. */
export const inTreeOrder = (names) => [...ORDER.filter((name) => names.includes(name)), ...names.filter((name) => !known(name))];

/** How many would be asked, in words. */
export function askedWords(asked) {
  if (asked >= 99.5) return "Everybody would be asked.";
  if (asked < 0.5) return "Hardly anybody would be asked.";
  return `${asked < HARDLY_ASKED ? "Only " : ""}${Math.round(asked)} of 100 would be asked.`;
}
