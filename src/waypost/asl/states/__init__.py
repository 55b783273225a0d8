"""The eight types of state: how each begins, and how it goes on when something happens to it."""
