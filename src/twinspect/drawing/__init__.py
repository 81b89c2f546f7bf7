"""Drawing: heat maps, outlines and small pictures of images, and pages from templates."""
