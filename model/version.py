"""The version of Waybill; its one home."""

VERSION = "0.1.0"
