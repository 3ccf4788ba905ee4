// Light, dark or as the system says, and how dense the pages are: applied before the first paint, which is why this is no module and sits in <head>.
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const kept = (name, usual) => { try { return localStorage.getItem(name) || usual; } catch { return usual; } };
  const keep = (name, choice) => { try { localStorage.setItem(name, choice); } catch { /* a private window: for this page only */ } };
  const read = () => kept("theme", "system");

  function apply(choice) {
    const dark = choice === "dark" || (choice === "system" && system.matches);
    root.dataset.bsTheme = dark ? "dark" : "light";
    for (const button of document.querySelectorAll("[data-theme-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.themeChoice === choice));
    }
    root.dispatchEvent(new CustomEvent("theme"));
  }

  function space(choice) {
    root.dataset.density = choice;
    for (const button of document.querySelectorAll("[data-density-choice]")) {
      button.setAttribute("aria-pressed", String(button.dataset.densityChoice === choice));
    }
  }

  const all = () => { apply(read()); space(kept("density", "comfortable")); };
  all();
  system.addEventListener("change", () => apply(read()));
  addEventListener("storage", (event) => { if (["theme", "density"].includes(event.key)) all(); });
  addEventListener("DOMContentLoaded", all);
  addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-theme-choice], [data-density-choice]");
    if (!button) return;
    const { themeChoice: theme, densityChoice: density } = button.dataset;
    keep(theme ? "theme" : "density", theme ?? density);
    if (theme) apply(theme);
    else space(density);
  });
})();
