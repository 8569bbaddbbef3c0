"use strict";
// The code of a set-up link stands behind `#`, where no log of any server sees it.
const code = location.hash.slice(1);
if (code) {
  document.getElementById("code").value = code;
  history.replaceState(null, "", location.pathname);
}
