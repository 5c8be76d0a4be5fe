"""The version of the training code."""

#: Raised by each change after which the same seed trains other weights: other draws, another initialisation, another
#: order of the images. Cached networks and the records of a benchmark are of one version and not mixed with another's.
VERSION = 1
