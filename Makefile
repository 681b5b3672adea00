# Only other names for the two commands; everything happens in ./stempel.
.PHONY: demo test lint
demo:
	./stempel demo
test:
	./stempel test
lint:
	./stempel lint
