// Stub.

export function openTableView(panel, figure) {
  return { update() {} };
}
