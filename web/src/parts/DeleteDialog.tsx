// Asks once more before something is deleted; what the server refuses stands in the dialog.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Dialog } from "./Dialog";
import { Problem } from "./Problem";

interface Props {
  name: string;
  onClose: () => void;
  onYes: () => Promise<void>;
  /** What goes with it and what stays. */
  children: ComponentChildren;
}

export function DeleteDialog({ name, onClose, onYes, children }: Props) {
  const [failed, setFailed] = useState<Error | null>(null);
  return (
    <Dialog title={`Delete ${name}?`} onClose={onClose}>
      <p>{children}</p>
      <Problem error={failed} />
      <div class="actions">
        <button type="button" onClick={onClose}>
          Keep it
        </button>
        <button type="button" class="danger" onClick={() => onYes().catch((error: Error) => setFailed(error))}>
          Delete
        </button>
      </div>
    </Dialog>
  );
}
