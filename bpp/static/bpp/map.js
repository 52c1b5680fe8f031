// Draws the stations of the list beside it on a map: shapes and colours as in the list, reachable by keyboard.
"use strict";
(() => {
  const room = document.getElementById("live"), frame = document.getElementById("map");
  if (!frame || !window.L) return;
  frame.classList.add("vb-map");
  const map = L.map(frame, { attributionControl: true, zoomSnap: 0.5, minZoom: 3, maxZoom: 18 });
  map.attributionControl.setPrefix(false);
  map.setView([12.9716, 77.5946], 11);
  const { ground, tiles, credit } = frame.dataset;
  if (tiles) {
    L.tileLayer(tiles, { attribution: credit.replace(/[&<>"]/g, ""), maxZoom: 18 }).addTo(map);
  } else {
    map.attributionControl.addAttribution("Schematic map");
    fetch(ground).then((answer) => answer.json()).then(draw).catch(() => {});
  }

  function draw(shapes) {
    const names = [];
    L.geoJSON(shapes, {
      interactive: false,
      filter: (feature) => feature.geometry.type !== "Point",
      style: (feature) => ({ className: `vb-ground vb-ground-${feature.properties.kind}`, weight: { ring: 3, road: 2 }[feature.properties.kind] || 1 }),
    }).addTo(map);
    for (const feature of shapes.features) {
      if (feature.geometry.type !== "Point") continue;
      const [lng, lat] = feature.geometry.coordinates, label = document.createElement("span");
      label.textContent = feature.properties.name;
      names.push(L.marker([lat, lng], { interactive: false, keyboard: false, zIndexOffset: -1000,
        icon: L.divIcon({ className: "vb-place-name", html: label, iconSize: null }) }));
    }
    const layer = L.layerGroup(names);
    const fits = () => { if (map.getZoom() >= 12) layer.addTo(map); else layer.remove(); };
    map.on("zoomend", fits);
    fits();
  }

  // From afar many stations lie close together: their marks are smaller then, and say no numbers.
  const far = () => frame.classList.toggle("vb-far", map.getZoom() < 12);
  map.on("zoomend", far);

  const marks = new Map();
  const wordsOf = (item) => {
    const count = Number(item.dataset.count), name = item.querySelector("a").textContent;
    return `${name}, ${count} charger${count > 1 ? "s" : ""}: ${item.querySelector("[data-counts]").textContent}`;
  };
  const iconOf = (item) => {
    const html = document.createElement("span");
    html.append(item.querySelector("svg").cloneNode(true));
    if (Number(item.dataset.count) > 1) {
      const count = document.createElement("b");
      count.textContent = item.dataset.count;
      html.append(count);
    }
    return L.divIcon({ className: `vb-pin vb-pin-${item.dataset.look}`, html, iconSize: [28, 28] });
  };
  const popupOf = (id) => {
    const item = document.getElementById(id), box = document.createElement("div");
    if (item) box.append(item.lastElementChild.cloneNode(true));
    box.className = "vb vb-popup";
    return box;
  };

  function sync() {
    const items = [...room.querySelectorAll("[data-lat]")], seen = new Set();
    for (const item of items) {
      seen.add(item.id);
      const words = wordsOf(item), at = [Number(item.dataset.lat), Number(item.dataset.lng)];
      let mark = marks.get(item.id);
      if (!mark) {
        mark = L.marker(at, { keyboard: true, icon: iconOf(item) });
        mark.bindPopup(() => popupOf(item.id), { maxWidth: 260 });
        marks.set(item.id, mark);
        mark.addTo(map);
      }
      if (mark.words === words && mark.look === item.dataset.look) continue;
      const focused = document.activeElement === mark.getElement();
      mark.setLatLng(at).setIcon(iconOf(item));
      mark.setZIndexOffset({ faulted: 3000, silent: 2000, "in-use": 1000 }[item.dataset.look] || 0);
      mark.words = words; mark.look = item.dataset.look;
      const drawn = mark.getElement();
      drawn.setAttribute("aria-label", words);
      drawn.title = words;
      if (focused) drawn.focus();
      if (mark.isPopupOpen()) mark.getPopup().setContent(() => popupOf(item.id)).update();
    }
    for (const [id, mark] of marks) if (!seen.has(id)) { mark.remove(); marks.delete(id); }
    return items.map((item) => [Number(item.dataset.lat), Number(item.dataset.lng)]);
  }

  const places = sync();
  if (places.length) map.fitBounds(places, { padding: [28, 28], maxZoom: 14, animate: false });
  far();
  room.addEventListener("live:rows", sync);
})();
