"""Foundation, feature and surface modules; each is entered through its public.py."""
