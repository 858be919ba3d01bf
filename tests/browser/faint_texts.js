// Return the texts of the card whose contrast is under 4.5 to 1, as WCAG 2 counts it.
() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
  const pixel = canvas.getContext("2d", { willReadFrequently: true });

  function luminance(color) {
    pixel.fillStyle = color;
    pixel.fillRect(0, 0, 1, 1);
    const [red, green, blue] = [...pixel.getImageData(0, 0, 1, 1).data]
      .map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  function backOf(node) {
    const color = getComputedStyle(node).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" ? backOf(node.parentElement) : color;
  }

  const found = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const [color, back] = [getComputedStyle(node).color, backOf(node)];
    const [dark, light] = [luminance(color), luminance(back)].sort((a, b) => a - b);
    if ((light + 0.05) / (dark + 0.05) < 4.5) found.push(`${walker.currentNode.data}: ${color} on ${back}`);
  }
  return found;
}
