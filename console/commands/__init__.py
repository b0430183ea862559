"""The commands of `waybill`, one module each; `console.cli` names them."""
