"""What the lab's machines boot: a ramdisk with the real agent, and an image to be deployed. Built once, then cached."""
