// The page that asks for a token, on a server that wants one.

import { signIn } from "./api.js";
import { command, el, say } from "./dom.js";

/** The page; `entered()` is called when the server has taken a token. */
export function signInPage(entered) {
  const field = el("input", {
    id: "token",
    type: "password",
    autocomplete: "current-password",
    required: true,
    spellcheck: "false",
    "aria-describedby": "refused",
  });
  const refused = el("p", { id: "refused", class: "hindrance", role: "alert" });
  const go = el("button", { type: "submit", class: "button main" }, "Sign in");

  async function submitted(event) {
    event.preventDefault();
    go.disabled = true;
    try {
      await signIn(field.value.trim());
      field.value = "";
      await entered();
    } catch (problem) {
      say(refused, problem.status === 401 || problem.status === 403 ? "The server does not know this token." : problem.message);
      field.select();
    } finally {
      go.disabled = false;
    }
  }

  const root = el(
    "div",
    { class: "sign-in" },
    el("h1", { tabindex: -1 }, "Sign in"),
    el("form", { onsubmit: submitted }, el("label", { for: "token" }, "Token"), field, refused, go),
    el(
      "details",
      {},
      el("summary", {}, "I have no token"),
      el("p", {}, "On the server, the first token is in the data folder, for root only:"),
      command("sudo cat /var/lib/netboot/admin.token"),
      el("p", {}, "It makes others, one for each person and tool:"),
      command("netboot token add NAME --role operate"),
    ),
  );
  return { root, field };
}
