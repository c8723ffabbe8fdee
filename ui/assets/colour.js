// Service colours, as `ui/src/colour.rs` gives them, so that server and script draw alike.

/** How many colours the style sheet has: classes `c0` to `c19`. */
export const COLOURS = 20;

const text = new TextEncoder();

/** The colour of a service outside a trace: FNV-1a of its name. @param {string} service */
export function colourOf(service) {
  let low = 0x84222325;
  let high = 0xcbf29ce4;
  for (const byte of text.encode(service)) {
    low = (low ^ byte) >>> 0;
    // Times 0x100000001b3: 2^40 and 0x1b3. The product of the lower half is below 2^41, and exact.
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  const mixed = (low ^ high) >>> 0;
  // (high * 2^32 + mixed) mod 20, where 2^32 mod 20 is 16.
  return ((high % COLOURS) * 16 + (mixed % COLOURS)) % COLOURS;
}
