"""The features that prove the extension points, together, by way of all that merchants and customers see."""
