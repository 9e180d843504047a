"""One long run that is killed: how far does it come, and what does it keep?"""
