"""The page Access: what a teacher reveals, from black box to white box, and what that buys a student."""
