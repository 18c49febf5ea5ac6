// What a control tells Python: at most thirty times a second while it moves, once more when it rests, and again
// until Python has answered. A server that is away, or that does not know the page yet, says nothing at all.
const EVERY_MS = 33;
const RESTED_MS = 250; // after a key
const AGAIN_MS = 2000; // then twice as long, and twice that, and so on
const MOST_DOUBLINGS = 3;

export class Telling {
  count = 0; // moves told
  heard = 0; // of them, what Python has taken
  timer = 0;
  resting = 0;
  again = 0;
  tries = 0;
  last = 0;
  atRest = false; // whether Python is told nothing while it moves

  soon() {
    if (!this.atRest) this.timer ||= setTimeout(() => this.now(false), Math.max(0, EVERY_MS - (performance.now() - this.last)));
  }

  rest() {
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.now(true), RESTED_MS);
    this.soon();
  }

  now(settled) {
    this.stop(settled ? ["timer", "again", "resting"] : ["timer", "again"]);
    this.last = performance.now();
    this.count += 1;
    this.send({ ...this.read(), count: this.count, settled });
    const wait = AGAIN_MS * 2 ** Math.min(this.tries, MOST_DOUBLINGS);
    this.again = setTimeout(() => {
      this.tries += 1;
      this.now(settled);
    }, wait);
  }

  // Whether an answer that has taken this many moves is the last word: an earlier one must not pull a control back,
  // also not from a move that still waits to be told.
  hear(taken) {
    this.heard = Math.max(this.heard, taken);
    if (this.heard < this.count) return false;
    this.count = this.heard;
    this.tries = 0;
    this.stop(["again"]);
    return !this.timer && !this.resting;
  }

  // Nothing that was told matters any more.
  forget(taken) {
    this.stop();
    this.tries = 0;
    this.count = this.heard = Math.max(this.count, taken);
  }

  stop(timers = ["timer", "again", "resting"]) {
    for (const name of timers) {
      clearTimeout(this[name]);
      this[name] = 0;
    }
  }
}
