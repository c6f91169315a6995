"use strict";

// Names for what the console's widgets leave without one. Scripts make them, some only once a
// dialog is open or a further row is there, and so they are named as they come.
{
  // A choice tells its label and what is chosen, which select2 makes a text box without a name.
  const nameChoice = (box) => {
    const label = box.closest(".select2-container").previousElementSibling?.labels?.[0];
    const chosen = box.querySelector("[role=textbox]");
    if (!label || !chosen) return;
    label.id ||= `${chosen.id}-label`;
    chosen.removeAttribute("role");
    chosen.removeAttribute("aria-readonly");
    box.setAttribute("aria-labelledby", `${label.id} ${chosen.id}`);
  };
  const nameAll = () => {
    document.querySelectorAll(".select2-selection--single").forEach(nameChoice);
    document.querySelectorAll("span.help-tooltip[aria-label]").forEach((icon) => icon.setAttribute("role", "img"));
  };
  document.addEventListener("DOMContentLoaded", () => {
    nameAll();
    new MutationObserver(nameAll).observe(document.body, { childList: true, subtree: true });
  });
}
