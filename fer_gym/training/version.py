"""The version of the training code."""

#: Raise it with each change after which the same seed trains other weights: other draws, another initialisation,
#: another order of the images. Cached networks and benchmark records have it, and no two versions of them are mixed.
VERSION = 1
