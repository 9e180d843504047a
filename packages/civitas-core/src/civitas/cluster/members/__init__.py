"""The OS processes of a system: who is there, who comes, who is gone."""
