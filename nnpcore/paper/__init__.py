"""The paper, figure by figure: one study a claim, each run by one command."""
