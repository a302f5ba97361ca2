/* Before anything is drawn: the colours that were chosen last time. No module, as modules come after the first paint. */
try {
  document.documentElement.dataset.theme = localStorage.getItem("warroom.theme") ?? "system";
} catch {
  // Storage is closed to us: the system's colours, then.
}
