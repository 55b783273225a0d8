"""One module per wire protocol; each makes a ``Codec`` of an operation and renders errors that belong to none."""
