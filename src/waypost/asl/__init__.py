"""The Amazon States Language: a pure, resumable interpreter.

``program.parse`` turns a definition into a frozen ``Program``; ``machine.step`` applies one event to the branches of an
execution and returns what changed, the commands to carry out and the history to append. Nothing in this package reads
a clock, draws a random number, sleeps or touches a store: time and seed come in with the event.
"""
