"""A window for `render_mode="human"`."""

from __future__ import annotations

import logging
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Window:
    """Shows frames with pygame. The first frame imports pygame and opens the window.

    Args:
        title: of the window.
        size: width and height in pixels.
    """

    def __init__(self, title: str, size: tuple[int, int]) -> None:
        self._title = title
        self._size = size
        self._pygame: Any = None

    def show(self, frame: NDArray[np.uint8], frames_per_second: int) -> None:
        """Show `frame`, uint8 (H, W, 3), and wait as long as `frames_per_second` asks.

        Raises:
            gymnasium.error.DependencyNotInstalled: if pygame is missing.
        """
        if self._pygame is None:
            self._open()
        pygame = self._pygame
        pygame.event.pump()
        self._screen.blit(pygame.surfarray.make_surface(frame.swapaxes(0, 1)), (0, 0))
        pygame.display.flip()
        self._clock.tick(frames_per_second)

    def _open(self) -> None:
        try:
            import pygame
        except ImportError as error:
            from gymnasium.error import DependencyNotInstalled

            raise DependencyNotInstalled('render_mode="human" needs pygame: pip install "fer-gym[human]"') from error
        try:
            pygame.display.init()
        except pygame.error as error:
            # No screen, as on a server: the episode matters more than the window.
            logging.getLogger(__name__).warning('render_mode="human" found no screen (%s); nothing is shown', error)
            os.environ["SDL_VIDEODRIVER"] = "dummy"
            pygame.display.init()
        pygame.display.set_caption(self._title)
        self._screen = pygame.display.set_mode(self._size)
        self._clock = pygame.time.Clock()
        self._pygame = pygame

    def close(self) -> None:
        """Close the window, if it was opened."""
        if self._pygame is not None:
            self._pygame.display.quit()
            self._pygame = None
