// Light, dark or as the system says: applied before the first paint, which is why this is no module and sits in <head>.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const read = () => { try { return localStorage.getItem("theme") || "system"; } catch { return "system"; } };
  const keep = (choice) => { try { localStorage.setItem("theme", choice); } catch { /* a private window: for this page only */ } };

  function apply(choice) {
    const dark = choice === "dark" || (choice === "system" && system.matches);
    root.dataset.bsTheme = dark ? "dark" : "light";
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
    }
    root.dispatchEvent(new CustomEvent("theme"));
  }

  apply(read());
  system.addEventListener("change", () => apply(read()));
  addEventListener("storage", (event) => { if (event.key === "theme") apply(read()); });
  addEventListener("DOMContentLoaded", () => apply(read()));
  addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-theme-choice]");
    if (!button) return;
    keep(button.dataset.themeChoice);
    apply(button.dataset.themeChoice);
  });
})();
