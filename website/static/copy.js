// A button on each block of code that copies it; of a console, the commands without their prompts.
document.querySelectorAll("div.highlight").forEach((block) => {
  const pre = block.querySelector("pre");
  const button = document.createElement("button");
  button.className = "copy";
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    let text = pre.innerText;
    if (block.parentElement.classList.contains("highlight-console")) {
      const commands = text.split("\n").filter((line) => line.startsWith("$ "));
      text = commands.map((line) => line.slice(2)).join("\n");
    }
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  block.append(button);
});
