"""Pure. One frozen type per boundary that a message crosses.

``Posting`` → ``SignedPosting`` → ``Message`` → ``RoutedMessage`` → ``SealedMessage`` (in
``sealing``) → ``Acceptance`` → ``Outgoing`` → ``HandOver``; what its origin has sealed goes
``SealedPosting`` → ``ClaimedPosting`` (in ``claimed``) → ``Envelope`` → ``RoutedMessage``. Each
is made by exactly one stage; holding one proves that the stage was passed.
"""
