// Put before a Node program with --import: its clock is the one that the test moves.
import { readFileSync } from "node:fs";

const RealDate = Date;
const moved = () => RealDate.now() + 1000 * Number(readFileSync(process.env.MOVED_CLOCK_FILE, "utf8"));

globalThis.Date = class extends RealDate {
  constructor(...given) {
    super(...(given.length ? given : [moved()]));
  }

  static now() {
    return moved();
  }
};
