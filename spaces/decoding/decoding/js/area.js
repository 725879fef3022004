// Stub.

export function openAreaView(panel, figure) {
  return { update() {} };
}
