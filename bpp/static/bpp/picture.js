// Brings the step at which a workflow instance stands into sight, within its own frame; and opens the step a link names.
document.addEventListener("DOMContentLoaded", () => {
  for (const frame of document.querySelectorAll(".vb-picture")) {
    const current = frame.querySelector(".wf-current.wf-box") || frame.querySelector(".wf-current");
    if (!current) continue;
    const step = current.getBoundingClientRect(), seen = frame.getBoundingClientRect();
    frame.scrollTop += step.top - seen.top - (seen.height - step.height) / 2;
    frame.scrollLeft += step.left - seen.left - (seen.width - step.width) / 2;
  }
  const open = () => {
    const named = document.getElementById(location.hash.slice(1));
    const folded = named && named.closest("details");
    if (folded) { folded.open = true; named.scrollIntoView({ block: "start" }); }
  };
  window.addEventListener("hashchange", open);
  open();
});
