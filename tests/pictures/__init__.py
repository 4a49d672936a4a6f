"""Pictures as people have them: each kind of odd file that viewers show, made by a script, with its right answer."""
