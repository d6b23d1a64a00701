"""How frames cross a link: codecs, and an emulated network."""
