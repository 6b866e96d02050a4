"""How good an answer is: checks by the program, judges, people."""
