// Stub.

export function openLatticeView(panel, figure) {
  return { update() {} };
}
