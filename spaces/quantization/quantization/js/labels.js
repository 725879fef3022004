// Places for names beside marks, where they lie on nothing else.

/** @typedef {{x: number, y: number, width: number, height: number}} Box */
/** @typedef {"start" | "end"} Anchor */
/** @typedef {readonly [dx: number, dy: number, anchor: Anchor]} Offset of a name from its mark, pixels */
/** @typedef {{x: number, y: number, anchor: Anchor}} LabelPlace */

const [ASCENT, LINE] = [9, 12]; // pixels of a name above its baseline, and in all

/**
 * The first place beside a mark where a name lies on nothing else; it is taken then.
 * @param {Box[]} taken gets the name's box
 * @param {{x: number, y: number}} mark
 * @param {number} width of the name, pixels
 * @param {readonly Offset[]} offsets the preferred first
 * @param {(box: Box) => boolean} isInside
 * @returns {LabelPlace | null} null where there is no room
 */
export function placeLabel(taken, mark, width, offsets, isInside) {
  for (const [dx, dy, anchor] of offsets) {
    const [x, y] = [mark.x + dx, mark.y + dy];
    const box = { x: anchor === "end" ? x - width : x, y: y - ASCENT, width, height: LINE };
    if (!isInside(box) || taken.some((other) => isOverlap(other, box))) continue;
    taken.push(box);
    return { x, y, anchor };
  }
  return null;
}

/**
 * @param {Box} one
 * @param {Box} other
 */
function isOverlap(one, other) {
  return (
    one.x < other.x + other.width &&
    other.x < one.x + one.width &&
    one.y < other.y + other.height &&
    other.y < one.y + one.height
  );
}
