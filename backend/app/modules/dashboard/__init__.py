"""The merchant's pages. A shell: navigation, home, and the foundation's own plain pages."""
