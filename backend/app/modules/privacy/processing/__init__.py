"""What is said about the processing: the record made from the columns, and the notice in words."""
