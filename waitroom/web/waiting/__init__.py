"""What the waiting page shows and says: sentences, figures in words, and a calendar file.

`view` and `calendar` are pure. `notes` reads and writes the cookies in which pages note
what opens nothing, such as the version that was shown last. `proving` has the stamp of a browser
that waits in place of work, and the policy for an outside check.

The words that depend on nothing but the state document stand in the template, where the script
finds them too. A sentence that both write, here and in `static/js`, is the same sentence.
"""
