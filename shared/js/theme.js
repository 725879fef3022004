// The colours of a figure that stands alone: those that its host asks for, else the reader's.

/**
 * Be dark or light as the frame's `data-theme`, the address's `?theme=`, or a message
 * `{type: "figure-theme", theme: "dark"}` of the page around it says; without any, as the system is.
 */
export function followTheme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const stated = new URLSearchParams(location.search).get("theme");
  let theme = stated ?? window.frameElement?.getAttribute("data-theme");
  const apply = () => {
    const known = theme === "dark" || theme === "light";
    const dark = known ? theme === "dark" : system.matches;
    document.documentElement.classList.toggle("dark", dark);
  };
  system.addEventListener("change", apply);
  addEventListener("message", ({ data, source }) => {
    if (source !== window.parent || data?.type !== "figure-theme") return;
    theme = data.theme;
    apply();
  });
  apply();
}
