"""The pocket teacher: small, fast, pretrained, and part of this package. Its model card is `CARD.md`."""
