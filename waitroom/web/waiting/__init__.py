"""What the waiting page shows and says: sentences, figures in words, and a calendar file.

All modules but `opening_api` are pure.

The words that depend on nothing but the state document stand in the template, where the script
finds them too. A sentence that both write, here and in `static/js`, is the same sentence.
"""
