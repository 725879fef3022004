// Stub.

export function openTextView(panel, figure) {
  return { update() {} };
}
