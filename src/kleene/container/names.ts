import { KleeError } from "../errors.ts";

const ADJECTIVES = `
able agile alert ample apt artful astute balanced blithe bold brave breezy bright brisk calm candid careful cheerful
civil clear clever constant cordial crisp curious daring deft diligent dutiful eager earnest easy elegant exact fair
faithful fearless festive fluent fond frank free friendly frugal gallant gentle genuine gifted graceful grand hardy
hearty helpful honest humble jolly jovial keen kind lively loyal lucid lucky mellow merry mindful modest neat nimble
noble patient placid playful polite prompt proud prudent quick quiet ready robust serene sharp silent sincere smooth
sober spry stable steady sturdy subtle sunny swift tactful tidy tranquil true upbeat valiant vivid warm willing wise
witty zealous
`
  .trim()
  .split(/\s+/);

const SURNAMES = `
aho allman ampere archimedes avogadro babbage backus baran bellovin bernoulli bohr boole borg bourne brahe cantor carver
cerf cheswick church clark codd curie daemen dalton darwin diffie dijkstra edison einstein engelbart euclid euler
faraday fermat feynman floyd fourier franklin galileo galois gauss germain goedel gosling hamilton hamming hellman hertz
hoare hollerith hopper huffman huygens joule joy karels kay kepler kernighan kilby kleene knuth kolmogorov lamport
laplace leffler leibniz liskov lovelace mandelbrot maxwell mccarthy mcilroy mckusick meitner mendel metcalfe minsky
napier naur neumann newton noether noyce ohm ossanna pascal pauling perlman perlis pike planck postel quarterman
raman ritchie rivest shamir shannon steele stroustrup sutherland tanenbaum tesla thompson torvalds turing volta watt
wirth wozniak zuse
`
  .trim()
  .split(/\s+/);

/** Draws of a plain name before a number is appended: more are all but certain to fail only when most names are taken. */
const PLAIN_DRAWS = 16;
const LARGEST_SUFFIX = 99_999;

/**
 * A random `adjective_surname` that is not taken; with a number behind it, the lowest that is free, where most plain
 * names are taken.
 * @throws {KleeError} CONFLICT when `taken` refuses whatever is proposed.
 */
export function randomName(taken: (name: string) => boolean): string {
  let name = draw();
  for (let draws = 1; draws < PLAIN_DRAWS && taken(name); draws++) name = draw();
  if (!taken(name)) return name;
  for (let suffix = 1; suffix <= LARGEST_SUFFIX; suffix++) {
    if (!taken(`${name}${suffix}`)) return `${name}${suffix}`;
  }
  throw new KleeError("CONFLICT", "no random name is left; give one with --name");
}

const draw = (): string => `${pick(ADJECTIVES)}_${pick(SURNAMES)}`;

function pick(words: readonly string[]): string {
  const word = words[Math.floor(Math.random() * words.length)];
  if (word === undefined) throw new RangeError("an empty list of words");
  return word;
}
