// Asks for the API key when the server wants one. The key stays in this tab (sessionStorage) and travels as a header.

import { useState } from "preact/hooks";
import { keepKey, keyWanted } from "../api/client";
import { Dialog } from "./Dialog";

export function KeyPrompt() {
  const [value, setValue] = useState("");
  if (keyWanted.value === null) return null;
  const refused = keyWanted.value === "refused";
  return (
    <Dialog title="This server asks for an API key" onClose={null}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (value.trim()) keepKey(value.trim());
          setValue("");
        }}
      >
        <label for="key">API key</label>
        <input
          id="key"
          type="password"
          autocomplete="off"
          spellcheck={false}
          value={value}
          aria-invalid={refused}
          aria-describedby="key-hint"
          onInput={(event) => setValue(event.currentTarget.value)}
        />
        <p id="key-hint" class={refused ? "fault" : "small muted"} role={refused ? "alert" : undefined}>
          {refused
            ? "The server refused this key. It may have been mistyped, expired or revoked."
            : "It is kept in this tab only and forgotten when you close it."}
        </p>
        <div class="actions">
          <button type="submit" class="primary">
            Continue
          </button>
        </div>
      </form>
    </Dialog>
  );
}
